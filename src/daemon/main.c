/*
 * main: from the command line to a running pooler.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "daemon/check.h"
#include "daemon/control.h"
#include "daemon/options.h"
#include "daemon/process.h"
#include "pg/cancel.h"

static void
fail(const struct error *e)
{
	log_fatal("%s", e->message);
	if (e->detail[0] != '\0')
		log_fatal("detail: %s", e->detail);
	if (e->hint[0] != '\0')
		log_fatal("hint: %s", e->hint);
	exit(1);
}

static void
must(bool ok, const struct error *e)
{
	if (!ok)
		fail(e);
}

static const char *
plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* "2 errors, 1 warning" */
static const char *
describe_faults(const struct config_counts *n, char text[80])
{
	int used = n->errors == 0 ? snprintf(text, 80, "no errors") : snprintf(text, 80, "%zu error%s", n->errors, plural(n->errors));

	if (n->warnings > 0)
		snprintf(text + used, 80 - (size_t)used, ", %zu warning%s", n->warnings, plural(n->warnings));
	return text;
}

static void
print_counts(const struct config *c)
{
	printf(", %zu databases, %zu users", c->ndatabases, c->nusers);
	if (c->ntenants > 0 || c->template != NULL)
		printf(", %zu tenants%s", c->ntenants, c->template != NULL ? " and their template" : "");
	if (c->nhosts > 0)
		printf(", %zu hosts", c->nhosts);
	if (c->nlimits > 0)
		printf(", %zu limits", c->nlimits);
}

static void __attribute__((noreturn))
end_check(const struct options *o, const struct config *c, struct config_counts *counts)
{
	char text[80];

	if (c != NULL)
		check_start(o, c, counts);
	printf("%s: %s", o->config_path, describe_faults(counts, text));
	if (counts->errors == 0)
		print_counts(c);
	putchar('\n');
	exit(counts->errors > 0);
}

static const struct config *
load(const struct options *o)
{
	struct config_counts counts;
	char text[80];
	struct error e;
	const struct config *c = config_load(o->config_path, NULL, &counts, &e);

	if (o->check_config)
		end_check(o, c, &counts);
	if (c == NULL) {
		log_fatal("not started: %s: %s", o->config_path, describe_faults(&counts, text));
		exit(1);
	}
	return c;
}

static void
open_log(const struct options *o, const struct config *c)
{
	struct error e;

	must(log_open_file(c->logfile, &e), &e);
	must(log_open_syslog(c->syslog ? c->syslog_ident : NULL, c->syslog_facility, &e), &e);
	log_set_verbose(o->verbose > c->verbose ? o->verbose : c->verbose);
	log_set_rate(c->log_rate);
	if (o->quiet || o->daemon)
		log_set_stderr(false);
}

static void
check_options(const struct options *o, const struct config *c)
{
	struct error e;

	if (o->reboot) {
		log_fatal("--reboot: taking over from a running process is not in this release");
		exit(1);
	}
	if (o->daemon && check_daemon(c) != NULL) {
		log_fatal("%s", check_daemon(c));
		exit(1);
	}
	if (o->user != NULL || c->user[0] != '\0')
		must(process_become(o->user != NULL ? o->user : c->user, &e), &e);
	if (getuid() == 0) {
		log_fatal("pgusher should not run as root: give -u USER, or user = in the configuration");
		exit(1);
	}
}

static void
listen_for_clients(const struct config *c, struct listener_set *tcp, struct listener_set *local)
{
	struct listen_options options = {
		.backlog = c->listen_backlog,
		.reuse_port = c->so_reuseport,
		.defer_accept = c->tcp_defer_accept,
		.unix_mode = c->unix_socket_mode,
		.unix_group = c->unix_socket_group,
	};
	struct error e;
	int first, n = process_inherited_sockets(&first);

	if (n > 0) {
		log_info("using %d sockets of the service manager", n);
		listener_inherit(tcp, local, first, n);
		return;
	}
	must(listener_open(tcp, c->listen_addr, c->listen_port, NULL, &options, &e), &e);
	must(listener_open(local, NULL, c->listen_port, c->unix_socket_dir, &options, &e), &e);
	if (tcp->n + local->n == 0) {
		log_fatal("nowhere to listen: set listen_addr or unix_socket_dir");
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	struct listener_set tcp, local;
	struct options options;
	const struct config *config;
	struct control *control;
	struct error e;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* a log that may not grow is as good as a full disk */
	options_parse(&options, argc, argv);
	config = load(&options);
	check_options(&options, config);
	open_log(&options, config);
	process_raise_limits();
	listen_for_clients(config, &tcp, &local);
	if (options.daemon)
		must(process_detach(&e), &e);
	must(process_write_pid(config->pidfile, &e), &e);
	cancel_init();
	control = control_new(config, config->conffile, &tcp, &local);
	control_run(&control);
	return 0;
}
