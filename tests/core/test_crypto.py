import pytest

from core import crypto


def test_token_well_formed_accepts_only_its_own_check_characters():
    token = crypto.make_token("gilo_")
    assert crypto.is_well_formed_token(token, "gilo_")
    assert not crypto.is_well_formed_token(token[:-1] + ("a" if token[-1] != "a" else "b"), "gilo_")
    assert not crypto.is_well_formed_token(token, "other_")
    assert not crypto.is_well_formed_token("", "gilo_")


def test_secret_round_trip_and_wrong_key():
    stored = crypto.encrypt("sk-123")
    assert "sk-123" not in stored
    assert crypto.decrypt(stored) == "sk-123"
    with pytest.raises(crypto.SecretUnreadable):
        crypto.decrypt("gAAAAAinvalid")


def test_encrypt_nothing_stays_nothing():
    assert crypto.decrypt(crypto.encrypt("")) == ""
