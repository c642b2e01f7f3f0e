"""The two calls that most programs make: `generate` for a thread, `generate_async` for an event loop.

Not here: the wrapper that has them, and its other calls (wrapper.py), the checks and the loop (dispatch.py).
"""

from __future__ import annotations

from pydantic import BaseModel

from safechat.client.dispatch import Dispatcher
from safechat.messages import ChatReply, Messages


class Generation:
    """`generate`. `dispatcher` checks a call, and runs it in the wrapper's own loop."""

    dispatcher: Dispatcher

    def generate(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        **params: object,
    ) -> ChatReply:
        """The answer to `messages`: a str, or a list of messages.

        With `parse` the answer is JSON that fits this pydantic model, and `reply.parsed`
        is one. What is not given is the wrapper's own. `params` go to the API as they
        are (`tools=`, `response_format=`, `max_completion_tokens=`, …); a sampling
        parameter that the model does not take is left out, and logged once.

        Raises ChatError (errors.py draws the tree) when there is no answer;
        TypeError or ValueError, before anything is sent, when the input is wrong.
        """
        call = self.dispatcher.call(
            messages,
            model,
            temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            params=params,
        )
        return self.dispatcher.run(call.answer)


class AsyncGeneration:
    """`generate_async`, over the same dispatcher."""

    dispatcher: Dispatcher

    async def generate_async(
        self,
        messages: Messages,
        model: str | None = None,
        temperature: float | None = None,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        allow_truncated: bool = False,
        parse: type[BaseModel] | None = None,
        **params: object,
    ) -> ChatReply:
        """`generate` for an event loop, any event loop. Cancelling it cancels the request."""
        call = self.dispatcher.call(
            messages,
            model,
            temperature,
            timeout=timeout,
            deadline=deadline,
            allow_truncated=allow_truncated,
            parse=parse,
            params=params,
        )
        return await self.dispatcher.run_async(call.answer)
