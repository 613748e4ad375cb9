"""What tests of twind and of adapters share: event loops with virtual time, fakes, contract suites."""
