"""Where people come in."""

from tertulia.adapters.sql.settings import StoreSettings
from tertulia.assembly.home import Home, holder
from tertulia.kit.errors import TertuliaError
from tertulia.kit.process_settings import ProcessSettings
from tertulia.kit.settings import SettingsInForce
from tertulia.roles.gateway.settings import GatewaySettings


class NotServedError(TertuliaError):
    """No server runs on this home."""

    code = "not_served"


def served_at(settings: SettingsInForce) -> str:
    """The address that links to sign in begin with. A shared database may be served anywhere, so
    then nobody has to serve this home. NotServedError."""
    public, shared = settings.of(GatewaySettings).public_url, settings.of(StoreSettings).shared
    place = Home(settings.of(ProcessSettings).home)
    serving = holder(place)
    url = serving.url if serving else None
    if public and (shared or url):
        return public
    if url is None:
        instead = " or say in gateway.public_url where people reach another" if shared else ""
        msg = f"No server runs on the home {place.path}; start one with `tertulia up`{instead}."
        raise NotServedError(msg)
    return url
