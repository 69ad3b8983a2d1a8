"""Where an application listens."""

import os

from apps.serve import listen


def test_on_the_port_that_the_environment_names() -> None:
    with listen({"PORT": "0"}, 3000) as opened:
        assert opened.getsockname()[0] == "127.0.0.1"
        assert opened.getsockname()[1] not in (0, 3000)


def test_on_a_socket_that_is_handed_over() -> None:
    with listen({}, 0) as opened, listen({"SOCKET_FD": str(os.dup(opened.fileno()))}, 0) as handed:
        assert handed.getsockname() == opened.getsockname()
