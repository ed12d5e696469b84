"""The front door of Antiphon, an actor-model runtime for real-time voice agents.

The packages behind it: `antiphon.channels` (what travels), `antiphon.actors` (who handles it), `antiphon.turn` (who may
speak) and `antiphon.scenarios` (how it is played, searched and proved).
"""
