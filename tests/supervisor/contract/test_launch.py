from xopc_supervisor.contract import Address, Go, Inheritance, Launch

LAUNCH = Launch(
    config_path="/home/ada/.xopc/xopc.json",
    state_dir="/home/ada/.xopc",
    lock_path="/home/ada/.xopc/locks/gateway.0a1b2c3d.lock",
    intent_path="/home/ada/.xopc/gateway-restart-intent.json",
    log_dir="/home/ada/.xopc/logs",
    listen=(Address("127.0.0.1", 18790), Address("::1", 18790, required=False)),
    command=("python3", "-m", "xopc.gateway"),
    explain_port=("python3", "-m", "xopc.service.ports"),
    version_file="/usr/lib/xopc/__init__.py",
    ready_text="ready at {port}",
    flags={"port": 18790, "bind": None, "token": None},
)


def test_a_launch_survives_the_environment() -> None:
    assert Launch.from_json(LAUNCH.to_json()) == LAUNCH


def test_an_inheritance_survives_the_environment() -> None:
    inheritance = Inheritance(5, 6, (7, 8), "boot", 4711, heirloom_fd=9, use_accepted=True)
    assert Inheritance.from_json(inheritance.to_json()) == inheritance


def test_the_reason_to_serve_survives_the_line() -> None:
    go = Go("crash", "killed by SIGSEGV", 12.5)
    assert Go.from_json(go.to_json()) == go


def test_an_inheritance_knows_its_descriptors() -> None:
    assert Inheritance(5, 6, (7, 8), "boot", 4711).fds == (5, 6, 7, 8)
    assert Inheritance(5, 6, (7, 8), "boot", 4711, heirloom_fd=9).fds == (5, 6, 7, 8, 9)


def test_a_launch_of_a_newer_version_is_understood() -> None:
    text = LAUNCH.to_json().replace('"ready_text"', '"from_the_future":1,"ready_text"')
    assert Launch.from_json(text) == LAUNCH
