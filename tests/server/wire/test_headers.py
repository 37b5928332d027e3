from __future__ import annotations

from xopc.server.wire.headers import SECURITY_HEADERS


def test_the_policy_of_the_console_lets_nothing_in_from_elsewhere_but_images() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    directives = dict(directive.strip().split(" ", 1) for directive in policy.split(";"))
    assert directives == {
        "default-src": "'self'",
        "base-uri": "'none'",
        "object-src": "'none'",
        "frame-ancestors": "'none'",
        "frame-src": "'self'",
        "form-action": "'self'",
        "script-src": "'self'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob: https:",
        "media-src": "'self' blob: data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "worker-src": "'self'",
    }


def test_the_other_headers_are_these() -> None:
    assert {name: value for name, value in SECURITY_HEADERS.items() if name != "Content-Security-Policy"} == {
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "X-XSS-Protection": "1; mode=block",
        "Permissions-Policy": "camera=(), microphone=(self), geolocation=()",
    }
