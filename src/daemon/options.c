#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <openssl/crypto.h>

#include "base/memory.h"
#include "build.h"
#include "config/http.h"
#include "identity/identity.h"

static const struct option long_options[] = {
	{ "quiet", no_argument, NULL, 'q' },
	{ "daemon", no_argument, NULL, 'd' },
	{ "reboot", no_argument, NULL, 'R' },
	{ "user", required_argument, NULL, 'u' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "check-config", no_argument, NULL, 'C' },
	{ "new-token", no_argument, NULL, 'T' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help[] =
	"usage: pgusher [OPTION]... CONFIG\n"
	"       pgusher --new-token [NAME]\n"
	"A PostgreSQL pooler for one database per tenant; reads a pgbouncer.ini.\n"
	"\n"
	"  -d, --daemon         run in the background (needs logfile or syslog, and pidfile)\n"
	"  -q, --quiet          write the log only to its file\n"
	"  -R, --reboot         take over from a running process (not in this release)\n"
	"  -u, --user=NAME      become this user after start\n"
	"  -v, --verbose        log more; twice: much more\n"
	"      --check-config   read CONFIG, tell what is wrong, and exit\n"
	"      --new-token      print a new token for HTTP and its line of [http_tokens], and exit\n"
	"  -V, --version        show the version and exit\n"
	"  -h, --help           show this and exit\n"
	"\n"
	"Signals: HUP reload, USR1 pause, USR2 resume, TERM wait for clients, INT wait for\n"
	"transactions (a second one exits at once), QUIT exit at once.\n"
	"See pgusher(1), pgusher(5).\n";

static void
print_version(void)
{
	printf("pgusher %s\n", PACKAGE_VERSION);
	printf("libevent %s\n", event_get_version());
	printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
#ifdef HAVE_SYSTEMD
	printf("systemd: yes\n");
#else
	printf("systemd: no\n");
#endif
	printf("pam: %s\n", identity_has_pam() ? "yes" : "no");
	printf("ldap: %s\n", identity_has_ldap() ? "yes" : "no");
}

static void
complain(const char *what)
{
	fprintf(stderr, "pgusher: %s; try \"pgusher --help\"\n", what);
	exit(1);
}

/* The token and the line are all that goes to standard output, so that scripts can take them. */
static void
print_new_token(const char *name)
{
	char token[HTTP_TOKEN_SIZE];
	uint8_t hash[32];

	if (*name == '\0' || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != strlen(name))
		complain("a token's name has letters, digits, _, . and - only");
	if (!http_token_make(token))
		complain("the system gives no random numbers");
	http_token_hash(token, strlen(token), hash);
	fputs("The token, which is shown only now, and its line of [http_tokens]:\n", stderr);
	printf("%s\n%s = sha256:", token, name);
	for (size_t i = 0; i < sizeof(hash); i++)
		printf("%02x", hash[i]);
	printf(" scope=read\n");
	memory_wipe(token, sizeof(token));
}

void
options_parse(struct options *o, int argc, char **argv)
{
	bool new_token = false;
	int letter;

	memset(o, 0, sizeof(*o));
	while ((letter = getopt_long(argc, argv, "qdRu:vVh", long_options, NULL)) != -1) {
		switch (letter) {
		case 'q':
			o->quiet = true;
			break;
		case 'd':
			o->daemon = true;
			break;
		case 'R':
			o->reboot = true;
			break;
		case 'u':
			o->user = optarg;
			break;
		case 'v':
			o->verbose++;
			break;
		case 'C':
			o->check_config = true;
			break;
		case 'T':
			new_token = true;
			break;
		case 'V':
			print_version();
			exit(0);
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs("Try \"pgusher --help\".\n", stderr);
			exit(1);
		}
	}
	if (new_token && optind >= argc - 1) {
		print_new_token(optind < argc ? argv[optind] : "name");
		exit(0);
	}
	if (optind != argc - 1)
		complain(new_token ? "give one name for the token" : "give one configuration file");
	o->config_path = argv[optind];
}
