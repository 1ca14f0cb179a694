"""Stop a reply that is being written."""

from tertulia.domain.access import Principal
from tertulia.domain.messages import Message, Status
from tertulia.kit.crash_points import crash_point
from tertulia.ports.store import MessageChange, Store, Tx
from tertulia.roles.chat.service.access import access_reply


async def stop_reply(
    store: Store, principal: Principal, conversation_id: str, message_id: str
) -> Message:
    """A waiting reply is cancelled here; a running one is asked to stop, and its worker stops the
    model. A finished one stays as it is."""

    def stop(tx: Tx) -> Message:
        conversation, reply = access_reply(tx, principal, conversation_id, message_id)
        match reply.status:
            case Status.QUEUED:
                change = MessageChange(epoch=reply.epoch, status=Status.CANCELLED)
            case Status.STREAMING:
                change = MessageChange(epoch=reply.epoch, stop_requested=True)
            case _:
                return reply
        return tx.messages.change(conversation.id, reply.id, change)

    stopped = await store.write(stop)
    crash_point("chat.after_stop_commit")
    return stopped
