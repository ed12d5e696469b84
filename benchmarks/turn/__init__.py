"""The runtime's own share of a turn: user half, model, synthesiser, output, assistant half, with nothing in them that takes time.

The same frames come in on both sides: voice, an interim, silence, a final. Three times are taken: from the final that ends the
turn to the context at the model; for each of the answer's tokens, from the model to the synthesiser; and, while the answer
goes on, from the user's voice to the moment in which the output knows that it must be silent. Each follows a moment of rest.
"""

TOKENS = 20
"""Of each answer."""
REST = 0.01
"""Seconds."""
