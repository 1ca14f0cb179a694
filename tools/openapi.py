"""Writes docs/reference/openapi.json, of which the page's client is generated.

python tools/openapi.py           write it
python tools/openapi.py --check   exit code 1 when it differs from the code
"""

import json
import sys
from pathlib import Path
from typing import Any, Final, cast

from tertulia.adapters.http.app import build_app
from tertulia.adapters.http.reference import described
from tertulia.adapters.http.server import nobody
from tertulia.roles.chat import surface as chat
from tertulia.roles.gateway.api.routes import routes
from tertulia.roles.gateway.settings import GatewaySettings

FILE: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "openapi.json"


def written() -> str:
    """The document as it belongs into the file. No route is called, so no port is needed."""
    absent = cast("Any", None)
    app = build_app(
        [routes(absent, absent, GatewaySettings()), *chat.described()],
        authenticate=nobody,
        checks={},
    )
    return json.dumps(described(app), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    document = written()
    if "--check" not in sys.argv:
        FILE.write_text(document, "utf-8")
    elif not FILE.exists() or FILE.read_text("utf-8") != document:
        sys.exit("docs/reference/openapi.json differs from the code: run 'make reference'")


if __name__ == "__main__":
    main()
