"""How sound enters and leaves: one module for each kind of transport."""
