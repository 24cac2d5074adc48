#include "pool/steer.h"

#include <math.h>
#include <string.h>

/* Half distances: while we search, and when we are about there. */
#define HALF_WIDE 0.35		/* high is twice low */
#define HALF_NARROW 0.12	/* a quarter more */
#define HALF_WIDEN 1.6
#define HALF_TIGHTEN 0.75

/* What twice as many servers have to bring to be worth it. */
#define WORTH 0.02

/* Of one pair: what is more is a slot in which the machine did something else. */
#define GAIN_MAX 0.7

/* Pairs of a comparison: before that nothing is believed, and then it is ended. */
#define PAIRS_MIN 2
#define PAIRS_MAX 6

/* How sure we want to be, in standard errors; and how much less, or more, where statements take many times their
 * baseline: from the first gradient on a little, from the second on all of it. */
#define SURE 2.2
#define LESS_FOR_FEWER 0.9
#define MORE_FOR_MORE 0.5
#define CROWDED_FROM 6.0
#define CROWDED 12.0

/* Another load: so much more or less work, log. */
#define SHIFT 0.4

/* Slots at the level between comparisons, once they bring nothing new. */
#define REST_FIRST 6
#define REST_MAX 24

#define NOISE_FIRST 0.02
#define NOISE_WEIGHT 4		/* pairs that the noise of before counts as */

static double
clamp(double x, double least, double most)
{
	return x < least ? least : x > most ? most : x;
}

int
steer_level(const struct steer *s)
{
	return (int)clamp(lround(exp(s->level)), s->floor, s->ceiling);
}

/* Begin a comparison around the level. */
static void
compare(struct steer *s)
{
	s->level = clamp(s->level, log(s->floor), log(s->ceiling));
	s->low = (int)clamp(lround(exp(s->level - s->half)), s->floor, s->ceiling);
	s->high = (int)clamp(lround(exp(s->level + s->half)), s->floor, s->ceiling);
	if (s->low == s->high && s->high < s->ceiling)
		s->high++;
	else if (s->low == s->high && s->low > s->floor)
		s->low--;
	s->turn = s->pairs = 0;
	s->sum = s->sum_squares = 0;
	s->limit = s->low;
}

void
steer_init(struct steer *s, int floor, int ceiling, int start)
{
	*s = (struct steer){
		.floor = floor,
		.ceiling = ceiling,
		.level = log(start > 0 ? start : 1),
		.half = HALF_WIDE,
		.noise = NOISE_FIRST,
		.rest = REST_FIRST / 2,
		.state = STEER_MEASURING,
	};
	compare(s);
}

void
steer_bound(struct steer *s, int floor, int ceiling)
{
	if (floor == s->floor && ceiling == s->ceiling)
		return;
	s->floor = floor;
	s->ceiling = ceiling;
	compare(s);
}

static double
mean_of(const struct steer *s)
{
	return s->sum / s->pairs;
}

static double
variance_of(const struct steer *s)
{
	double m = mean_of(s);

	return s->pairs > 1 ? (s->sum_squares - s->pairs * m * m) / (s->pairs - 1) : s->noise;
}

static double
error_of(const struct steer *s)
{
	double v = (NOISE_WEIGHT * s->noise + (s->pairs - 1) * variance_of(s)) / (NOISE_WEIGHT + s->pairs - 1);

	return sqrt(v / s->pairs);
}

/* 0 ... 1 */
static double
crowding(const struct steer *s)
{
	return clamp((s->gradient - CROWDED_FROM) / (CROWDED - CROWDED_FROM), 0, 1);
}

static bool
is_clear(const struct steer *s, double excess, double error)
{
	double crowded = crowding(s);

	return excess > (SURE + MORE_FOR_MORE * crowded) * error || excess < -(SURE - LESS_FOR_FEWER * crowded) * error;
}

static void
remember_noise(struct steer *s)
{
	double weight = s->pairs / 16.0;

	s->noise = clamp(s->noise + weight * (variance_of(s) - s->noise), 0.0004, 0.1);
}

static void
search_wide(struct steer *s)
{
	s->half = HALF_WIDE;
	s->rest = REST_FIRST / 2;
	s->resting = 0;
}

/* true: the load is not what it was. */
static bool
has_shifted(struct steer *s)
{
	if (fabs(s->present - s->usual) <= SHIFT)
		return false;
	s->usual = s->present;
	return true;
}

/* What is worth more: the comparison said so (+1, -1), or did not say (0: drift by what it hinted at). */
static void
conclude(struct steer *s, double excess, double error)
{
	double distance = log((double)s->high / s->low);

	remember_noise(s);
	s->gain = mean_of(s) / distance * M_LN2;
	if (is_clear(s, excess, error)) {
		s->state = excess > 0 ? STEER_GROWING : STEER_SHRINKING;
		s->level += excess > 0 ? distance : -distance;
		s->half = fmin(s->half * HALF_WIDEN, HALF_WIDE);
		s->rest = REST_FIRST / 2;
	} else {
		s->state = STEER_STEADY;
		s->level += s->half / 2 * clamp(excess / (SURE * error) - crowding(s), -1, 1);
		s->half = fmax(s->half * HALF_TIGHTEN, HALF_NARROW);
		s->rest = s->rest * 2 < REST_MAX ? s->rest * 2 : REST_MAX;
		s->resting = s->rest;
	}
	if (has_shifted(s))
		search_wide(s);
	s->usual = s->present;
	compare(s);
}

static void
rest(struct steer *s)
{
	s->resting--;
	if (has_shifted(s)) {
		search_wide(s);
		compare(s);
	}
	if (s->resting == 0)
		s->limit = s->low;
}

static void
judge(struct steer *s)
{
	double distance, excess, error;

	if (s->pairs < PAIRS_MIN)
		return;
	distance = log((double)s->high / s->low);
	excess = mean_of(s) - WORTH * distance / M_LN2;
	error = error_of(s);
	if (is_clear(s, excess, error) || s->pairs == PAIRS_MAX)
		conclude(s, excess, error);
}

static void
end_pair(struct steer *s)
{
	double gain = clamp(log(s->work_high / s->work_low), -GAIN_MAX, GAIN_MAX);

	s->pairs++;
	s->sum += gain;
	s->sum_squares += gain * gain;
	judge(s);
}

/* low high, high low, low high ... */
static bool
is_high(unsigned turn)
{
	return ((turn + 1) / 2) % 2 == 1;
}

void
steer_next(struct steer *s, const struct steer_slot *slot)
{
	if (s->low == s->high)
		return;
	if (!slot->full || slot->work <= 0) {
		s->state = STEER_MEASURING;
		compare(s);
		s->limit = steer_level(s);
		return;
	}
	s->gradient += (slot->gradient - s->gradient) / 8;
	s->present += (log(slot->work) - s->present) / 4;
	if (s->resting > 0) {
		rest(s);
		return;
	}
	if (is_high(s->turn))
		s->work_high = slot->work;
	else
		s->work_low = slot->work;
	if (++s->turn % 2 == 0)
		end_pair(s);
	s->limit = s->resting > 0 ? steer_level(s) : is_high(s->turn) ? s->high : s->low;
}

const char *
steer_state_name(enum steer_state state)
{
	static const char *const names[] = {
		[STEER_MEASURING] = "measuring",
		[STEER_GROWING] = "growing",
		[STEER_SHRINKING] = "shrinking",
		[STEER_PROBING] = "probing",
		[STEER_STEADY] = "steady",
	};

	return names[state];
}
