"""``sipstack register``: bind an address-of-record to this machine, and keep it bound."""

from __future__ import annotations

from sipstack.endpoint import Registered, Registration, RegistrationFailed, RegistrationLost, open_endpoint
from sipstack.message import URI
from sipstack.transactions import TransportError

from ._exit_codes import SUCCESS, exit_code_of_response
from ._output import Output, sentence
from ._peer import addresses_of, local_urls, network_of, unreachable
from ._run import Job

__all__ = ["register"]


async def register(job: Job) -> int:
    """Register, print the bindings, and stay until a signal comes, or leave at once."""
    arguments, output = job.arguments, job.output
    network = network_of(arguments)
    urls = local_urls(arguments.listen, await addresses_of(arguments.registrar, network, job.trace), network)
    user = URI.parse(arguments.aor).user or "sipstack"
    async with open_endpoint(
        *urls,
        network=network,
        trace=job.trace,
        user=user,
        tls=arguments.tls,
        websocket_path=arguments.websocket_path,
    ) as endpoint:
        try:
            async with endpoint.register(
                arguments.aor,
                registrar=arguments.registrar,
                credentials=job.credentials,
                expires=arguments.expires,
            ) as registration:
                await _stay(registration, output, once=arguments.once)
        except RegistrationFailed as error:
            response = error.response
            output.event("failed", f"{response.code} {response.phrase}".rstrip())
            return exit_code_of_response(response.code)
        except TransportError as error:
            raise unreachable(arguments.registrar, error) from error
    output.event("removed", "registration removed")
    return SUCCESS


async def _stay(registration: Registration, output: Output, *, once: bool) -> None:
    async for event in registration.events():
        match event:
            case Registered(expires=expires):
                output.event("registered", f"registered {registration.aor} for {expires} s")
                for contact in registration.contacts:
                    output.event("binding", f"  {contact}")
            case RegistrationLost(error=error, retry_after=delay):
                output.error(f"{sentence(error).rstrip('.')}; the next attempt is in {delay:g} s.")
        if once:
            return
