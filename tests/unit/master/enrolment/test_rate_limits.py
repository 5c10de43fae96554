from limpet.common.identifiers import MinionKey
from limpet.master.enrolment import rate_limits
from limpet.master.enrolment.rate_limits import EnrolRates, network_of

ADDRESS = "192.0.2.7"


def _key(number: int) -> MinionKey:
    return MinionKey(f"{number:064x}")


def test_new_keys_are_charged_to_their_address_and_known_keys_to_themselves() -> None:
    limits = EnrolRates(0.0)
    burst = int(rate_limits.NEW_KEYS_OF_ADDRESS_BURST)
    for number in range(burst):
        assert limits.may_ask(_key(number), ADDRESS, has_token=False, now=0.0)
        limits.on_answered(_key(number), 0.0)
    assert not limits.may_ask(_key(999), ADDRESS, has_token=False, now=0.1)
    assert limits.may_ask(_key(999), "192.0.2.8", has_token=False, now=0.1)
    for minute in range(1, 6):
        for number in range(burst):
            now = minute * 60.0 + number
            assert limits.may_ask(_key(number), ADDRESS, has_token=False, now=now)


def test_an_address_gets_ten_new_keys_a_minute() -> None:
    limits = EnrolRates(0.0)
    passed = sum(
        limits.may_ask(_key(number), ADDRESS, has_token=False, now=number / 2)
        for number in range(1200)
    )
    assert 110 <= passed <= 121


def test_requests_without_a_token_are_fifty_a_second_from_all_addresses_together() -> None:
    limits = EnrolRates(0.0)
    passed = sum(
        limits.may_ask(_key(number), f"10.0.{number >> 8}.{number & 255}", has_token=False, now=1.0)
        for number in range(500)
    )
    assert passed == 50
    assert limits.may_ask(_key(9999), "10.9.9.9", has_token=True, now=1.0)


def test_one_key_has_twelve_questions_a_minute() -> None:
    limits = EnrolRates(0.0)
    limits.on_answered(_key(1), 0.0)
    passed = sum(
        limits.may_ask(_key(1), ADDRESS, has_token=True, now=second / 4) for second in range(2400)
    )
    assert 110 <= passed <= 130


def test_the_neighbours_of_an_ipv6_address_count_as_one() -> None:
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff:ffff:ffff:ffff")
    assert network_of("2001:db8:1:2::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.7") == network_of("192.0.2.7")
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("nonsense") == "unknown"


def test_the_tables_do_not_grow_over_their_bound() -> None:
    limits = EnrolRates(0.0)
    for number in range(rate_limits.ENTRIES_MAX + 500):
        limits.may_ask(_key(number), f"2001:db8:{number:x}::1", has_token=False, now=float(number))
        limits.on_answered(_key(number), float(number))
    assert len(limits._addresses) == rate_limits.ENTRIES_MAX
    assert len(limits._keys) == rate_limits.ENTRIES_MAX
