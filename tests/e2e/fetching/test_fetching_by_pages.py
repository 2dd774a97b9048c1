"""A phone with SMS Gateway, added and looked after by its pages alone.

The real service, a simulated phone, and plain forms as a browser without JavaScript sends them.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from tests.support.receiver import Receiver
from tests.support.service import Service, ask, until
from tests.support.smsgate_phone import SmsgatePhone


def sent(service: Service, path: str, **form: str) -> str:
    """Send a form; where it leads."""
    host, port = service.admin
    headers = {
        **service.cookie(),
        "Origin": f"http://{host}:{port}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    status, answer, body = ask(service.admin, "POST", path, urlencode(form).encode(), headers)
    assert status == 303, (status, body.decode())
    return answer["location"]


def shows(service: Service, path: str, words: str) -> Callable[[], bool]:
    return lambda: words in service.page(path)


def test_from_its_inbox_to_the_receiver_by_the_pages_alone(
    service: Service, receiver: Receiver, phone: SmsgatePhone
):
    for n in range(3):
        phone.receive("+15550100", f"old {n}")
    there = sent(
        service,
        "/phones/new",
        name="Reception",
        app="smsgate",
        phoneUrl=phone.url,
        phoneUser="sms",
        phonePassword="pass1234",
    )
    page = there.removesuffix("/pair")
    assert page.startswith("/phones/dev_")
    until(shows(service, page, "3 texts were kept without being sent"), "the inbox was read")
    assert receiver.texts == []
    fetching = service.page(f"{page}/fetching")
    assert "Last look" in fetching
    assert phone.url in fetching

    phone.receive("+15550100", "new")
    until(lambda: len(receiver.texts) == 1, "what comes from now on is sent")
    until(shows(service, page, "1 text today"), "its page says so")

    assert sent(service, f"{page}/history", what="send") == page
    until(lambda: len(receiver.texts) == 4, "the old ones are sent, too")
    assert "kept without being sent" not in service.page(page)

    assert sent(service, f"{page}/unlink") == page
    assert sent(service, f"{page}/simulate", sender="+15550100", text="by the page") == page
    until(lambda: "by the page" in receiver.texts, lambda: f"taken as before: {receiver.texts}")
    assert sorted(receiver.texts) == sorted(["old 0", "old 1", "old 2", "new", "by the page"])
    assert sent(service, f"{page}/remove") == "/phones"
    assert "No phone yet" in service.page("/phones")
