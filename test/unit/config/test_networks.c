#include "config/networks.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "config/config.h"

static bool
holds(const char *list, const char *address)
{
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	uint8_t ip[16];

	cr_assert_eq(inet_pton(family, address, ip), 1);
	return config_in_networks(list, family, ip);
}

Test(networks, good_lists)
{
	static const char *const good[] = { "", "10.0.0.0/8", "10.0.0.7", "10.0.0.0/8,192.168.0.0/16", " 10.0.0.0/8 , ::1 ", "unix",
		"2001:db8::/32, unix", "0.0.0.0/0", "::/0", "10.0.0.7/32", "10.0.0.6/31" };
	static const char *const bad[] = { ",", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
		"10.0.0.7/31", "10.0.0", "10.0.0.", "10.0.0.1.", "10.0.0.256", "10.0.0.01", "10..0.1", "10.0.0.1234", "10.0.0.0.0", "::1/129", "localhost", "unix/0", "UNIX", "10.0.0.0/8 192.168.0.0/16", "/8", "10.0.0.0/0008",
		"1234567890123456789012345678901234567890123456789012345678901234567890" };

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(networks_are_good(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(networks_are_good(bad[i]), "%s", bad[i]);
}

Test(networks, edges_of_a_length)
{
	cr_expect(holds("10.1.2.0/23", "10.1.3.255"));
	cr_expect_not(holds("10.1.2.0/23", "10.1.4.0"));
	cr_expect_not(holds("10.1.2.0/23", "10.1.1.255"));
	cr_expect(holds("10.1.2.3", "10.1.2.3"));
	cr_expect_not(holds("10.1.2.3", "10.1.2.2"));
	cr_expect(holds("0.0.0.0/0", "255.255.255.255"));
	cr_expect_not(holds("0.0.0.0/0", "2001:db8::1"));
	cr_expect(holds("::/0", "2001:db8::1"));
	cr_expect(holds("2001:db8::/33", "2001:db8:7fff::"));
	cr_expect_not(holds("2001:db8::/33", "2001:db8:8000::"));
	cr_expect(holds("192.168.0.0/16, 10.0.0.0/8", "10.255.0.1"));
}

Test(networks, ipv4_inside_ipv6_is_ipv4)
{
	cr_expect(holds("10.0.0.0/8", "::ffff:10.0.0.7"));
	cr_expect_not(holds("::/0", "::ffff:10.0.0.7"));
}

Test(networks, unix_sockets)
{
	cr_expect(config_in_networks("10.0.0.0/8,unix", AF_UNIX, NULL));
	cr_expect_not(config_in_networks("10.0.0.0/8", AF_UNIX, NULL));
	cr_expect_not(config_in_networks("", AF_UNIX, NULL));
	cr_expect_not(config_in_networks(NULL, AF_UNIX, NULL));
}
