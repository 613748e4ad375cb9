"""What tests of twind and of adapters share: ways to run a loop, and recordings made by hand."""
