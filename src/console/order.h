/*
 * order: commands that change databases: PAUSE, RESUME, KILL, RECONNECT,
 * WAIT_CLOSE, DISABLE, ENABLE.
 *
 * An order is applied on the workers: to the database that it names, on the
 * worker that owns it, or to all.  It is answered when it has been carried
 * out; one that is to settle (PAUSE, WAIT_CLOSE) is looked after until it has.
 */
#ifndef CONSOLE_ORDER_H
#define CONSOLE_ORDER_H

struct command;
struct dialogue;
struct order;
struct sentence;

extern const struct order order_pause, order_resume, order_kill, order_reconnect, order_wait_close,
	order_disable, order_enable;

void order_run(struct dialogue *d, const struct command *c, const struct sentence *s);

#endif
