"""The composition root: what runs, in what order it starts and stops, and what it says about itself."""
