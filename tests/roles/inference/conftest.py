"""A house for a model."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tertulia.ports.chat_model import ChatModel
from tertulia.roles.inference.settings import InferenceSettings
from tests.roles.house import House, open_house
from tests.roles.inference.reading import QUICK, Open


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def open_(
        model: ChatModel, inference: InferenceSettings = QUICK
    ) -> AbstractAsyncContextManager[House]:
        return open_house(tmp_path, model=model, inference=inference)

    return open_
