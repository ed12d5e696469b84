"""What one hop costs, from handler to handler: eight actors, each of which handles the frame and sends it on."""
