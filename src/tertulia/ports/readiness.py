"""What a process says of the ports that it cannot do without."""

from tertulia.kit.errors import TertuliaError
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.store import Store


async def store_ready(store: Store) -> str | None:
    """One sentence when the store does not answer."""
    try:
        await store.read(lambda _tx: None)
    except TertuliaError as error:
        return error.message
    return None


async def model_ready(model: ChatModel) -> str | None:
    """One sentence when no model answers."""
    try:
        models = await model.models()
    except TertuliaError as error:
        return error.message
    ready = any(info.ready for info in models)
    return None if ready else "No model is ready; /api/models says what each of them waits for."
