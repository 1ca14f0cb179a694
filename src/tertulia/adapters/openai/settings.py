"""Settings of an OpenAI-compatible endpoint."""

from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from tertulia.kit.settings import Settings


class UpstreamSettings(Settings):
    """The OpenAI-compatible endpoint that `--model URL` names."""

    section: ClassVar[str] = "upstream"

    api_key: SecretStr = SecretStr("")
    """Sent as a bearer token, when there is one."""

    model: str = ""
    """The default model; otherwise the first that the endpoint lists."""

    window_tokens: int = Field(default=8192, ge=512)
    """Context of models whose endpoint does not tell it."""

    connect_timeout_s: float = Field(default=5.0, gt=0)
    """How long connecting may take."""

    first_token_timeout_s: float = Field(default=120.0, gt=0)
    """How long the first token may take: models on a CPU read long prompts for minutes."""

    answer_timeout_s: float = Field(default=600.0, gt=0)
    """How long an answer may take that nobody reads along, and that comes in one piece."""

    token_timeout_s: float = Field(default=30.0, gt=0)
    """The longest pause between two tokens; comments that keep a connection alive do not count."""

    attempts: int = Field(default=3, ge=1, le=10)
    """How often a request is tried as long as no byte of an answer has come."""

    retry_wait_s: float = Field(default=0.2, ge=0)
    """The pause before the second attempt; it doubles with each, and an endpoint's Retry-After
    goes before it."""

    retry_budget: float = Field(default=0.2, ge=0, le=1)
    """Retries per request over time, lest many clients' retries keep a sick endpoint down."""

    breaker_failures: int = Field(default=5, ge=1)
    """Failures in a row after which requests are refused at once."""

    breaker_open_s: float = Field(default=10.0, ge=0)
    """For how long; then one request tries whether the endpoint is back."""

    connections: int = Field(default=512, ge=1)
    """Requests at once; more wait."""

    models_kept_s: float = Field(default=60.0, ge=0)
    """How long the endpoint's list of models is kept."""

    continue_final: Literal["auto", "always", "never"] = "auto"
    """Whether to ask by vLLM's parameters for a partial answer to be continued; auto: when the
    endpoint is a vLLM. Others continue a last assistant message by themselves, or do not."""
