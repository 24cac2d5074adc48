/*
 * Scripts of requests and replies, and what the pipeline makes of each reply.
 *
 * A script is a list of words.  Requests are the letters of the protocol, and
 * are numbered from 1: Q F P B D E C S, and c for CopyDone or CopyFail.  Behind
 * the letter may stand what is to be done with the replies: nothing (pass on),
 * "-" (swallow), "=" (answer ourselves) or "!" (replace).  Replies have a "<" in
 * front: <1 <2 <3 <T <n <C <I <s <V <G <H <Z, <D for rows and copy data, <E for
 * an error.
 *
 * The trace has a word for each reply: "+" (pass), "-" or "!", and behind it
 * each request that is through (its number) or undone ("~" and its number).
 * Answers that are our turn are taken after each word, like a session does, and
 * traced as "=" and the number.
 */
#include "session/pipeline.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trace {
	struct pipeline pipeline;
	int requests;
	char events[256];		/* of the present word */
	char text[1024];
};

static char numbers[256];		/* the ref of request n is numbers + n */

static int
number_of(const struct pipeline_entry *e)
{
	return e == NULL ? -1 : (int)((char *)e->ref - numbers);
}

static void
note(struct trace *t, const char *mark, int number)
{
	size_t n = strlen(t->events);

	snprintf(t->events + n, sizeof(t->events) - n, "%s%d", mark, number);
}

static void
on_done(void *arg, const struct pipeline_entry *e)
{
	note(arg, "", number_of(e));
}

static void
on_undone(void *arg, const struct pipeline_entry *e)
{
	if (e->ref != NULL)
		note(arg, "~", number_of(e));
}

static void
say(struct trace *t, const char *word)
{
	size_t n = strlen(t->text);

	if (word[0] != '\0')
		snprintf(t->text + n, sizeof(t->text) - n, "%s%s", n > 0 ? " " : "", word);
}

static void
push(struct trace *t, const char *word)
{
	static const char letters[] = "QFSPBDECc", actions[] = "-=!";
	static const enum request_kind kinds[] = {
		REQUEST_QUERY, REQUEST_FUNCTION_CALL, REQUEST_SYNC, REQUEST_PARSE, REQUEST_BIND,
		REQUEST_DESCRIBE, REQUEST_EXECUTE, REQUEST_CLOSE, REQUEST_COPY_END,
	};
	enum request_kind kind = kinds[strchr(letters, word[0]) - letters];
	enum reply_action action = REPLY_PASS;

	if (word[1] != '\0')
		action = (enum reply_action)(strchr(actions, word[1]) - actions + REPLY_SWALLOW);
	t->requests++;
	pipeline_push(&t->pipeline, kind, action, kind == REQUEST_COPY_END ? NULL : numbers + t->requests);
}

static void
take(struct trace *t, char type)
{
	static const char *const marks[] = {
		[REPLY_PASS] = "+", [REPLY_SWALLOW] = "-", [REPLY_ANSWER] = "?", [REPLY_REPLACE] = "!",
	};
	enum reply_action action;
	char word[300];

	if (type == 'D')
		action = pipeline_data_action(&t->pipeline);
	else if (type == 'E')
		action = pipeline_take_error(&t->pipeline);
	else
		action = pipeline_take_reply(&t->pipeline, (uint8_t)type);
	snprintf(word, sizeof(word), "%s%s", marks[action], t->events);
	t->events[0] = '\0';
	say(t, word);
}

static void
take_answers(struct trace *t)
{
	struct pipeline_entry e;
	char word[20];

	while (pipeline_take_answer(&t->pipeline, &e)) {
		snprintf(word, sizeof(word), "=%d", number_of(&e));
		say(t, word);
	}
}

/* What is left: how many entries, and the state. */
static void
sum_up(struct trace *t)
{
	const struct pipeline *p = &t->pipeline;
	char left[20] = "";

	if (p->count > 0)
		snprintf(left, sizeof(left), "left:%u", p->count);
	say(t, left);
	say(t, p->in_copy ? "copy" : "");
	say(t, p->skipping ? "skipping" : "");
	say(t, p->uncertain ? "uncertain" : "");
}

static const char *
trace(struct trace *t, const char *script)
{
	char words[256], *save = NULL;

	memset(t, 0, sizeof(*t));
	pipeline_init(&t->pipeline, on_done, on_undone, t);
	snprintf(words, sizeof(words), "%s", script);
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		if (w[0] == '<') {
			take(t, w[1]);
			take_answers(t);
		} else {
			push(t, w);
		}
	}
	sum_up(t);
	pipeline_release(&t->pipeline);
	return t->text;
}

struct row {
	const char *script, *trace;
};

static void
check(const struct row *rows, size_t n)
{
	struct trace t;

	for (size_t i = 0; i < n; i++)
		cr_expect_str_eq(trace(&t, rows[i].script), rows[i].trace, "%s\n\tgave   %s\n\twanted %s",
				 rows[i].script, t.text, rows[i].trace);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

Test(pipeline, each_request_ends_with_its_reply)
{
	static const struct row rows[] = {
		{ "Q <T <D <D <C <Z", "+ + + + +1" },
		{ "Q <I <Z", "+ +1" },
		{ "Q <C <T <D <C <Z", "+ + + + +1" },
		{ "F <V <Z", "+ +1" },
		{ "P S <1 <Z", "+1 +2" },
		{ "B S <2 <Z", "+1 +2" },
		{ "D S <t <T <Z", "+ +1 +2" },
		{ "D S <t <n <Z", "+ +1 +2" },
		{ "E S <D <C <Z", "+ +1 +2" },
		{ "E S <I <Z", "+1 +2" },
		{ "E S <D <s <Z", "+ +1 +2" },
		{ "C S <3 <Z", "+1 +2" },
		{ "S <Z", "+1" },
		{ "P B D E S Q P S <1 <2 <T <D <C <Z <C <Z <1 <Z", "+1 +2 +3 + +4 +5 + +6 +7 +8" },
		{ "P B E Q S <1 <2 <C <C <Z <Z", "+1 +2 +3 + +4 +5" },
		{ "E E E S <D <s <D <s <D <C <Z", "+ +1 + +2 + +3 +4" },
		/* Nobody asked. */
		{ "<C <Z <D <E", "+ + + +" },
		{ "Q", "left:1" },
	};
	CHECK(rows);
}

Test(pipeline, after_an_error_the_rest_up_to_sync_is_undone)
{
	static const struct row rows[] = {
		{ "Q <E <Z", "+ +1" },
		{ "Q <D <E <Z Q <C <Z", "+ + +1 + +2" },
		{ "F <E <Z", "+ +1" },
		{ "P B E S <E <Z", "+~3~2~1 +4" },
		{ "P B E S <1 <E <Z", "+1 +~3~2 +4" },
		{ "P B E S <1 <2 <D <E <Z", "+1 +2 + +~3 +4" },
		{ "P B E S P S <E <Z <1 <Z", "+~3~2~1 +4 +5 +6" },
		/* The transaction fails at Sync. */
		{ "E S <C <E <Z", "+1 + +2" },
		{ "S <E <Z", "+ +1" },
		/* A query in the middle of a pipeline is skipped, too. */
		{ "P Q S <E <Z", "+~2~1 +3" },
		/* The Sync is not sent yet. */
		{ "P B <E", "+~2~1 skipping" },
		{ "P B <E S <Z Q <C <Z", "+~2~1 +3 + +4" },
	};
	CHECK(rows);
}

Test(pipeline, actions_in_every_position)
{
	static const struct row rows[] = {
		{ "P- B D E S <1 <2 <n <C <Z", "-1 +2 +3 +4 +5" },
		{ "C- P- B E S <3 <1 <2 <C <Z", "-1 -2 +3 +4 +5" },
		{ "P B E P- D S <1 <2 <C <1 <T <Z", "+1 +2 +3 -4 +5 +6" },
		{ "Q- Q <C <C <Z <D <C <Z", "- - -1 + + +2" },
		{ "Q- <D <C <Z", "- - -1" },
		{ "Q- Q <E <Z <C <Z", "- -1 + +2" },
		{ "P S P= B S <1 <Z <2 <Z", "+1 +2 =3 +4 +5" },
		{ "P C= P= B S <1 <2 <Z", "+1 =2 =3 +4 +5" },
		{ "P B C= S <1 <2 <Z", "+1 +2 =3 +4" },
		{ "S C= <Z", "+1 =2" },
		{ "P B! E S <1 <E <Z", "+1 !~3~2 +4" },
		{ "B! S <E <Z", "!~1 +2" },
		{ "P! P= E S <E <Z", "!~3~2~1 +4" },
		/* What we do for a client is undone with its request. */
		{ "P- B E C= S <E <Z", "-~4~3~2~1 +5" },
		{ "P B! <1 <E S <Z", "+1 !~2 +3" },
	};
	CHECK(rows);
}

Test(pipeline, copy_out)
{
	static const struct row rows[] = {
		{ "Q <H <D <D <c <C <Z", "+ + + + + +1" },
		{ "Q- <H <D <c <C <Z", "- - - - -1" },
		{ "P B E S <1 <2 <H <D <c <C <Z", "+1 +2 + + + +3 +4" },
		{ "Q <H <D <E <Z", "+ + + +1" },
	};
	CHECK(rows);
}

Test(pipeline, copy_in_of_a_simple_query)
{
	static const struct row rows[] = {
		{ "Q <G c <C <Z", "+ + +1" },
		{ "Q c <G <C <Z", "+ + +1" },
		{ "Q <G", "+ left:1 copy" },
		{ "Q c Q <G <C <Z <C <Z", "+ + +1 + +3" },
		/* Several in one query. */
		{ "Q <G c <C <G c <C <C <Z", "+ + + + + +1" },
		{ "Q c c <G <C <G <C <Z", "+ + + + +1" },
		{ "Q <C <G c <C <C <Z", "+ + + + +1" },
		/* Errors: before the copy, in it, and behind its end. */
		{ "Q <E <Z c", "+ +1" },
		{ "Q c Q <E <Z <C <Z", "+ +1 + +3" },
		{ "Q <G <E c <Z Q <C <Z", "+ + +1 + +3" },
		{ "Q <G c <E <Z Q <C <Z", "+ + +1 + +3" },
		{ "Q <G <E c <Z", "+ + +1" },
		/* The server ignores Sync while it reads. */
		{ "Q <G S c <C <Z", "+ + +1" },
		{ "Q S c <G <C <Z", "+ + +1" },
		{ "Q S S c Q <G <C <Z <C <Z", "+ + +1 + +5" },
	};
	CHECK(rows);
}

Test(pipeline, copy_in_of_an_extended_query)
{
	static const struct row rows[] = {
		{ "P B E <1 <2 <G c S <C <Z", "+1 +2 + +3 +5" },
		{ "P B E S <1 <2 <G c S <C <Z", "+1 +2 + +3 +6" },
		{ "P B E S c S <1 <2 <G <C <Z", "+1 +2 + +3 +6" },
		{ "P B E c S <1 <2 <G <C <Z", "+1 +2 + +3 +5" },
		{ "E S <G S S c S <C <Z", "+ +1 +6" },
		{ "E S c S E S c S <G <C <Z <G <C <Z", "+ +1 +4 + +5 +8" },
		{ "E c E S <G <C <C <Z", "+ +1 +3 +4" },
		/* Errors: before the copy. */
		{ "E S c S <E <Z <Z", "+~1 +2 +4" },
		{ "P B E c S <E <Z", "+~3~2~1 +5" },
		/* In the copy, with the end sent already, or not. */
		{ "E <G c S <E <Z", "+ +~1 +3" },
		{ "E <G <E", "+ +~1 skipping" },
		{ "E <G <E S <Z", "+ +~1 +2" },
	};
	CHECK(rows);
}

/* An error that came before the server read on leaves the Sync behind the copy standing; nobody can tell. */
Test(pipeline, a_sync_that_may_have_been_in_a_copy_is_uncertain)
{
	static const struct row rows[] = {
		{ "E S <G <E", "+ +~1 skipping uncertain" },
		{ "E S c S <G <E <Z", "+ +~1 +4 uncertain" },
		{ "Q S <G <E <Z", "+ + +1 uncertain" },
		/* No Sync in the copy: all is clear. */
		{ "Q <G <E <Z", "+ + +1" },
		{ "Q c <G <E <Z", "+ + +1" },
		{ "E <G c S <E <Z", "+ +~1 +3" },
	};
	CHECK(rows);
}

Test(pipeline, a_copy_end_that_ends_nothing_is_in_nobodys_way)
{
	static const struct row rows[] = {
		{ "c", "" },
		{ "Q <E c <Z", "+ +1" },
		{ "Q c P= B S <C <Z <2 <Z", "+ +1 =3 +4 +5" },
		{ "E c P= B S <C <2 <Z", "+1 =3 +4 +5" },
		{ "E c B! S <C <E <Z", "+1 !~3 +4" },
		{ "E C= c C= S <C <Z", "+1 =2 =4 +5" },
		{ "S c E S <Z <C <Z", "+1 +3 +4" },
	};
	CHECK(rows);
}

Test(pipeline, rows_go_the_way_of_their_request)
{
	static const struct row rows[] = {
		{ "E- S <D <C <Z", "- -1 +2" },
		{ "Q- Q <D <Z <D <Z", "- -1 + +2" },
	};
	CHECK(rows);
}

Test(pipeline, reset_undoes_what_is_left_last_first)
{
	struct trace t;

	trace(&t, "");
	push(&t, "P");
	push(&t, "B=");
	push(&t, "E!");
	push(&t, "S");
	pipeline_reset(&t.pipeline);
	cr_assert_str_eq(t.events, "~4~3~2~1");
	cr_assert(pipeline_is_empty(&t.pipeline));
	t.events[0] = '\0';
	push(&t, "Q");
	take(&t, 'Z');
	cr_assert_str_eq(t.text, "+5");
	pipeline_release(&t.pipeline);
}

Test(pipeline, grows_as_a_ring)
{
	struct trace t;

	/* From every offset of the ring, grow twice, and keep the order. */
	for (uint32_t offset = 0; offset < PIPELINE_INLINE; offset++) {
		trace(&t, "");
		for (uint32_t i = 0; i < offset; i++) {
			pipeline_push(&t.pipeline, REQUEST_SYNC, REPLY_PASS, NULL);
			pipeline_take_reply(&t.pipeline, 'Z');
		}
		for (int i = 1; i <= 3 * PIPELINE_INLINE; i++)
			pipeline_push(&t.pipeline, REQUEST_SYNC, REPLY_PASS, numbers + i);
		cr_assert_eq(t.pipeline.size, 4 * PIPELINE_INLINE);
		for (int i = 1; i <= 3 * PIPELINE_INLINE; i++) {
			cr_assert_eq(number_of(pipeline_head(&t.pipeline)), i);
			pipeline_take_reply(&t.pipeline, 'Z');
		}
		cr_assert(pipeline_is_empty(&t.pipeline));
		pipeline_release(&t.pipeline);
	}
}

/* A copy's gap is closed over the ring's edge as well. */
Test(pipeline, copy_at_every_offset_of_the_ring)
{
	struct trace t;

	for (int offset = 0; offset < PIPELINE_INLINE; offset++) {
		trace(&t, "");
		for (int i = 0; i < offset; i++) {
			pipeline_push(&t.pipeline, REQUEST_SYNC, REPLY_PASS, NULL);
			pipeline_take_reply(&t.pipeline, 'Z');
		}
		for (const char *w = "ESSScS"; *w != '\0'; w++)
			push(&t, (char[]){ *w, '\0' });
		for (const char *w = "GCZ"; *w != '\0'; w++)
			take(&t, *w);
		cr_assert_str_eq(t.text, "+ +1 +6", "at %d: %s", offset, t.text);
		cr_assert(pipeline_is_empty(&t.pipeline));
		pipeline_release(&t.pipeline);
	}
}
