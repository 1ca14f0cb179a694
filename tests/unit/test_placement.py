"""What a process learns from where it runs."""

import pytest

from tertulia.assembly.placement import HostNumberMissingError, worker_number


@pytest.mark.parametrize(
    ("host", "number"),
    [("inference-0", 0), ("inference-12.inference.chat.svc", 12), ("a-7-3.example-9", 3)],
)
def test_a_worker_s_number_is_the_one_its_host_s_name_ends_in(host: str, number: int) -> None:
    assert worker_number("hostname", host) == number
    assert worker_number(5, host) == 5


@pytest.mark.parametrize("host", ["inference-7f9c4-x2x7k", "laptop", "node12", "web-3b"])
def test_a_host_without_a_number_is_refused(host: str) -> None:
    with pytest.raises(HostNumberMissingError):
        worker_number("hostname", host)
