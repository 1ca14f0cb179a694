"""What the gateway's routes take and give, as the OpenAPI document describes it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tertulia.ports.http import ENCODABLE, Text


class SignIn(BaseModel):
    """The token of a sign-in link: what follows `#` in it."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[Text, Field(max_length=200)]


class User(BaseModel):
    id: str
    name: str


class Session(BaseModel):
    """Who is signed in, by what, and until when (null: until revoked)."""

    user: User
    via: Literal["session", "token"]
    expires_at: datetime | None


class TokenRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"
        ),
        ENCODABLE,
    ] = Field(description="What the token is for.")


class Token(BaseModel):
    """An API token, without its secret."""

    id: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class NewToken(Token):
    """An API token with its secret, which is shown this once."""

    token: str


class Tokens(BaseModel):
    items: list[Token]
