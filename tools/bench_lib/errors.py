"""The error that ends a benchmark with one line."""


class BenchError(Exception):
    """A figure could not be had, or would not mean anything; the text says why and the way out."""


class NoAnswerError(BenchError):
    """Nothing was answered in the time of a measurement."""
