"""What the loops themselves cost, with nothing of ours or of pipecat: the floor for whoever builds on them."""
