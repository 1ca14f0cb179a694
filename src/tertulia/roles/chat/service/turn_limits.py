"""What one person may ask for."""

from dataclasses import dataclass

from tertulia.domain.access import Principal
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.roles.chat.errors import MessageEmptyError, MessageTooLargeError, TurnsLimitedError
from tertulia.roles.chat.settings import ChatSettings


@dataclass(frozen=True, slots=True)
class TurnLimits:
    limiter: RateLimiter
    settings: ChatSettings

    async def check(self, principal: Principal, text: str | None = None) -> None:
        """MessageEmptyError, MessageTooLargeError, TurnsLimitedError."""
        if text is not None:
            self._check_text(text)
        limit = self.settings.turns_per_minute
        if limit is None:
            return
        wait_s = await self.limiter.hit(f"turns:{principal.user_id}", limit=limit, per_s=60)
        if wait_s is not None:
            raise TurnsLimitedError(retry_after_s=wait_s)

    def _check_text(self, text: str) -> None:
        if not text.strip():
            raise MessageEmptyError
        if len(text.encode()) > self.settings.max_message_bytes:
            raise MessageTooLargeError(limit_bytes=self.settings.max_message_bytes)
