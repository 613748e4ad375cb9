"""`python -m twind`: the same as `twind`."""

from twind.cli.program import program

if __name__ == "__main__":
    program()
