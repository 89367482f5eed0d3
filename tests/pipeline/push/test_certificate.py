"""The certificate that a WebRTC connection is made with."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from pipeline.push.certificate import G, N, P, add_points, make_certificate, multiply_point


def test_openssl_takes_it_for_both_sides(tmp_path: Path) -> None:
    """OpenSSL reads certificate and key, finds that they belong together, trusts its signature, and makes a connection with it."""
    certificate, key = make_certificate()
    (tmp_path / "key.pem").write_text(certificate + key)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "key.pem")
    asked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asked.check_hostname = False
    asked.load_verify_locations(cadata=certificate)
    one, two = socket.socketpair()
    with served.wrap_socket(one, server_side=True, do_handshake_on_connect=False) as server:
        thread = threading.Thread(target=server.do_handshake)
        thread.start()
        with asked.wrap_socket(two) as client:
            thread.join()
            assert client.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(certificate)


def test_each_has_a_key_of_its_own() -> None:
    """No two connections share a key."""
    assert make_certificate()[1] != make_certificate()[1]


def test_points_are_those_of_the_curve() -> None:
    """Multiples of G lie on P-256 and follow its order; 2G is the point that others publish."""
    double = multiply_point(2, G)
    assert double is not None
    assert f"{double[0]:x}".startswith("7cf27b188d034f7e8a52380304b51ac3")
    assert multiply_point(N, G) is None
    assert multiply_point(N - 1, G) == (G[0], P - G[1])
    assert add_points(multiply_point(N - 1, G), G) is None
    for times in (3, 12345, N // 3):
        x, y = multiply_point(times, G) or pytest.fail("not at infinity")
        b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
        assert (y * y - (x**3 - 3 * x + b)) % P == 0
