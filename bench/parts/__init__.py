"""The parts of the bench, each a file: what is done, how often, and how its answer is checked."""
