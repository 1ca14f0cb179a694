"""What keeps a sick endpoint from being hammered: a circuit breaker and a budget for retries."""

from collections.abc import Callable

from tertulia.ports.chat_model import ModelUnavailableError

BUDGET_CAP = 10.0
"""Retries that may come at once after a calm time."""


class CircuitOpenError(ModelUnavailableError):
    """The model's endpoint has failed repeatedly and is left alone for a moment."""

    code = "model_circuit_open"


class Breaker:
    """Closed → open after so many failures in a row → half open: one request at a time tries."""

    def __init__(self, *, failures: int, open_s: float, monotonic: Callable[[], float]) -> None:
        self._limit = failures
        self._open_s = open_s
        self._monotonic = monotonic
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """CircuitOpenError while open. Half open, it closes for all but the one who asks first."""
        if self._failures < self._limit:
            return
        now = self._monotonic()
        if now < self._open_until:
            raise CircuitOpenError(retry_after=max(1, round(self._open_until - now)))
        self._open_until = now + self._open_s

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._limit:
            self._open_until = self._monotonic() + self._open_s


class RetryBudget:
    """Every request earns a fraction of a retry (Finagle's retry budget)."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._left = BUDGET_CAP if ratio else 0.0

    def earn(self) -> None:
        self._left = min(BUDGET_CAP, self._left + self._ratio)

    def take(self) -> bool:
        """Whether one more retry is allowed; then it is taken."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
