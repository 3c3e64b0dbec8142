# SPDX-License-Identifier: MIT
"""What bench/compare and bench/bars make of the rounds of a result."""


def interval(values):
    """Median and 95 % interval of the sign test, as in stats.c."""
    values = sorted(values)
    count = len(values)
    term = tail = 0.5 ** count
    k = 0
    while k < count and tail <= 0.025:
        k += 1
        term *= (count - k + 1) / k
        tail += term
    k = max(k - 1, 0)
    middle = count // 2
    median = values[middle] if count % 2 else (values[middle - 1] + values[middle]) / 2
    return median, values[k], values[-1 - k]
