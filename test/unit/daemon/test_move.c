#include "daemon/move.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/memory.h"

Test(move, what_is_not_said_stays)
{
	static const struct {
		const char *old, *to, *line;
	} cases[] = {
		{ "", "host=b", "host='b'" },
		{ "host=a dbname=x pool_size=5", "host=b", "dbname='x' pool_size='5' host='b'" },
		{ "host=a port=6000 dbname=x", "host=b", "dbname='x' host='b'" },
		{ "host=a port=6000 dbname=x", "port=7000", "host='a' dbname='x' port='7000'" },
		{ "host=a port=6000", "host=b port=7000", "host='b' port='7000'" },
		{ "password='it''s'", "host=b", "password='it''s' host='b'" },
		{ "host=a", "", "host='a'" },
		{ "postgresql://u:p%20w@a:6000/x pool_size=5", "host=b",
		  "user='u' password='p w' dbname='x' pool_size='5' host='b'" },
		{ "host=a dbname=x pool_size=5", "postgresql://b:7000/y", "pool_size='5' dbname='y' host='b' port='7000'" },
	};

	for (size_t i = 0; i < lengthof(cases); i++) {
		struct error e;
		char *line = move_line(cases[i].old, cases[i].to, &e);

		cr_assert_not_null(line, "%s: %s", cases[i].old, e.message);
		cr_assert_str_eq(line, cases[i].line);
		free(line);
	}
}

Test(move, what_can_not_be_read_is_refused_without_quoting_it)
{
	static const char *const bad[] = { "host", "host=", "host='b", "=b", "postgresql://[secret", "password='secret" };

	for (size_t i = 0; i < lengthof(bad); i++) {
		struct error e;

		cr_assert_null(move_line("host=a", bad[i], &e), "%s", bad[i]);
		cr_assert_str_eq(e.sqlstate, "F0000");
		cr_assert_null(strstr(e.message, "secret"));
		cr_assert_null(move_line(bad[i], "host=a", &e));
	}
}
