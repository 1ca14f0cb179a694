"""The role `preprocess`: consumes `turns`."""

from tertulia.domain.events import TURNS
from tertulia.ports.bus import Bus
from tertulia.ports.chat_model import ChatModel
from tertulia.ports.language import LanguageDetector
from tertulia.ports.leases import Leases
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.role import Role
from tertulia.ports.store import Store
from tertulia.roles.preprocess.service import Preprocessing
from tertulia.roles.preprocess.settings import PreprocessSettings


async def run(
    store: Store,
    bus: Bus,
    recent: RecentTurns,
    model: ChatModel,
    languages: LanguageDetector,
    leases: Leases,
    settings: PreprocessSettings,
) -> None:
    """Prepare turns until cancelled."""
    preprocessing = Preprocessing(store, recent, model, languages, leases, settings)
    await bus.subscribe(
        TURNS,
        preprocessing.on_turn_requested,
        concurrency=settings.concurrency,
        on_dead=preprocessing.on_turn_given_up,
    )


ROLE = Role(
    "preprocess",
    run,
    "Normalises and labels messages, and routes them to a worker.",
    settings=PreprocessSettings,
)
