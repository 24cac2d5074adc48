#include "console/ban.h"

#include "base/clock.h"
#include "base/sqlstate.h"
#include "base/strings.h"
#include "client/bans.h"
#include "console/command.h"
#include "console/dialogue.h"

#define PERIOD_MAX (10LL * 366 * 24 * 3600) /* s; what is longer is for good */

/* Behind FOR: seconds. */
static bool
find_period(const struct sentence *s, usec_t *period, struct error *e)
{
	int64_t seconds;

	*period = 0;
	if (s->period == NULL)
		return true;
	if (!string_to_int64(s->period, &seconds) || seconds <= 0 || seconds > PERIOD_MAX) {
		error_set(e, SEVERITY_ERROR, SQLSTATE_INVALID_PARAMETER,
			"\"%.64s\" is no number of seconds from 1 to %lld", s->period, PERIOD_MAX);
		error_hint(e, "A ban without FOR is for good.");
		return false;
	}
	*period = seconds * USEC_PER_SEC;
	return true;
}

void
ban_run(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	struct error e;
	usec_t period;

	if (!find_period(s, &period, &e) ||
		!bans_add(d->console->commons->bans, s->argument, s->subject, period,
			s->value != NULL ? s->value : "", clock_now(), &e))
		dialogue_fail(d, &e);
	else
		dialogue_complete(d, c->word);
}

void
ban_lift(struct dialogue *d, const struct command *c, const struct sentence *s)
{
	struct error e;

	if (!bans_remove(d->console->commons->bans, s->argument, s->subject, clock_now(), &e))
		dialogue_fail(d, &e);
	else
		dialogue_complete(d, c->word);
}
