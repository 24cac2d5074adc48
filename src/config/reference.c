#include "config/reference.h"

#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "config/keys.h"
#include "config/value.h"

#define TEXT_WIDTH 78

/* What the sample sets; all else stands there as a comment with its default. */
static const struct {
	const char *key, *value;
} sample_settings[] = {
	{ "auth_type", "scram-sha-256" },
	{ "auth_file", "/etc/pgusher/userlist.txt" },
	{ "admin_users", "admin" },
	{ "max_client_conn", "1000" },
	{ "pool_mode", "transaction" },
	{ "ignore_startup_parameters", "extra_float_digits" },
	{ "listen_addr", "127.0.0.1" },
};

/* Print words, with breaks so that no line is longer than TEXT_WIDTH; begin stands before each
 * line. */
static void
print_wrapped(FILE *out, const char *begin, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");
		if (column > 0 && column + 1 + n > TEXT_WIDTH) {
			fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(out, "%s%.*s", column == 0 ? begin : " ", (int)n, text);
		text += n + strspn(text + n, " ");
	}
	fputc('\n', out);
}

/* Running text for man(7): a line must not begin with a control character, and a minus is no
 * hyphen. */
static void
print_roff(FILE *out, const char *text)
{
	char escaped[3000];
	size_t n = 0;
	bool starts_word = true;

	for (const char *p = text; *p != '\0' && n < sizeof(escaped) - 4; p++) {
		if (starts_word && (*p == '.' || *p == '\''))
			n += (size_t)sprintf(escaped + n, "\\&");
		if (*p == '\\')
			n += (size_t)sprintf(escaped + n, "\\e");
		else if (*p == '-')
			n += (size_t)sprintf(escaped + n, "\\-");
		else
			escaped[n++] = *p;
		starts_word = *p == ' ';
	}
	escaped[n] = '\0';
	print_wrapped(out, "", escaped);
}

static const char *const manual_top[] = {
	".\\\" Made by \"make reference\" from src/config/keys.c and reference.c: change it there.",
	".TH PGUSHER 5 \"\" pgusher \"File formats\"",
	".SH NAME",
	"pgusher.ini, userlist.txt, hba and ident files \\- configuration of pgusher",
	".SH DESCRIPTION",
	"The configuration is one ini file, named on the command line, and the files that",
	"its keys name: users",
	".RB ( auth_file ),",
	"rules of who may come in",
	".RB ( auth_hba_file ,",
	".BR auth_ident_file ),",
	"certificates and keys.",
	"All have the form of PgBouncer's, whose files can be used as they are.",
	".PP",
	"A line of the ini file is a",
	".BI [ section ]\\fR,",
	"a setting",
	".IB key \" = \" value\\fR,",
	"a comment that begins with",
	".B ;",
	"or",
	".BR # ,",
	"or empty.",
	"Blanks around a line, a key and a value do not count.",
	"A value goes on to the end of its line, and a",
	".B ;",
	"or",
	".B #",
	"in it is a part of it.",
	"It may be empty.",
	"A key that holds blanks stands in single or double quotes; a doubled quote",
	"stands for one.",
	"A section may be opened several times.",
	"An unknown key, or a value that its key can't take, is an error that names the",
	"file and the line.",
	".PP",
	"The line",
	".BI \"%include \" file",
	"is replaced by that file, up to ten deep.",
	".PP",
	"Names of files that are not absolute are taken from the working directory of",
	"the process.",
	".PP",
	"Times are in seconds, unless an entry says milliseconds, and may have a fraction.",
	"Sizes are in bytes, or have one of the units kB, MB and GB behind them.",
	"Switches are 0 or 1; off, on, false, true, no and yes are understood too.",
	".SS Reload",
	"SIGHUP, or RELOAD on the console, reads all files again.",
	"If there is an error in them, nothing changes.",
	"A key that is no longer there has its default again.",
	"A key that needs a restart keeps its value, and a warning says so.",
};

static const char *const manual_databases[] = {
	"A line makes a database that clients may ask for:",
	".PP",
	".RS",
	".nf",
	"shop   = host=10.0.0.7 pool_size=5",
	"erp    = host=db1,db2 dbname=erp_live user=app password='it''s secret'",
	"\"my db\" =",
	"*      = host=10.0.0.8",
	".fi",
	".RE",
	".PP",
	"The value is a list of",
	".IB key = value",
	"pairs with blanks between them.",
	"A value that holds blanks stands in single quotes, in which a doubled one",
	"stands for itself.",
	"If two lines have the same name, the later one counts.",
	".PP",
	"The line",
	".B *",
	"is for all databases that have no line of their own; their name on the server",
	"is the one that the client gave, unless",
	".B dbname",
	"is set.",
	"The names",
	".B pgbouncer",
	"and",
	".B pgusher",
	"are those of the console and can't be used here.",
	".PP",
	"A replication connection has a server connection of its own, whatever the",
	".BR pool_mode ,",
	"which is opened with all the startup parameters of the client and closed after it.",
	"It counts in the size of its user's pool; an idle connection of that pool makes",
	"room for it.",
	"A standby, and programs like pg_basebackup and pg_receivewal, ask for a database",
	"called",
	".BR replication ,",
	"which needs a line too, unless there is",
	".BR * .",
};

static const char *const manual_users[] = {
	"A line gives settings to a user, in the form of [databases]:",
	".PP",
	".RS",
	".nf",
	"reports = pool_mode=session max_user_connections=3",
	".fi",
	".RE",
	".PP",
	"It does not let the user in: that needs an entry in",
	".BR auth_file .",
	"A setting here counts before that of the database, and that before the one of",
	"[pgbouncer].",
};

static const char *const manual_tenants[] = {
	"A line is a database that clients may ask for, with the keys of [databases], and",
	".B *",
	"is for all that have none:",
	".PP",
	".RS",
	".nf",
	"*    = host=pg\\-{shard}.internal dbname=tenant_{tenant} user=app",
	"acme = host=pg\\-big.internal pool_size=50",
	".fi",
	".RE",
	".PP",
	"In all values",
	".B {tenant}",
	"stands for the name, and",
	".B {shard}",
	"for a number below",
	".B tenant_shards",
	"that is made from the name.",
	"What a line does not say is as",
	".B *",
	"has it, wherever that stands.",
	"A name has letters, digits, _, \\- and ., 63 at most, and neither . nor \\- at its",
	"beginning.",
	"A line of [databases] with the same name counts before that of [tenants]; what the",
	"catalogue says",
	".RB ( tenant_catalogue )",
	"counts before",
	".BR * .",
};

static const char *const manual_hosts[] = {
	"A line is a PostgreSQL server, named as",
	".B host",
	"and",
	".B port",
	"of databases name it, of which 5432 may be left out:",
	".PP",
	".RS",
	".nf",
	"10.0.0.5:5433        = max_connections=200 admin_reserve=3",
	"\"[2001:db8::5]:5432\" = max_connections=100",
	"/run/postgresql      = max_connections=50",
	"*                    = max_connections=90",
	".fi",
	".RE",
	".PP",
	"The line",
	".B *",
	"is for each server that has none.",
};

static const char *const manual_limits[] = {
	"A line says what somebody may take at most:",
	".PP",
	".RS",
	".nf",
	"tenant             = queries=1000 clients=200",
	"tenant:acme        = queries=5000",
	"class:gold         = queries=3000",
	"user               = clients=1000",
	"client             = connections=20",
	"address:10.0.0.0/8 = connections=1000",
	"network            = connections=500",
	".fi",
	".RE",
	".PP",
	".BR tenant ,",
	".BR user ,",
	".B client",
	"(an address at a tenant),",
	".B address",
	"and",
	".B network",
	"(of an address: 24 bits of IPv4, 64 of IPv6) limit each of them; with",
	".BI : name",
	"behind it a line is for one of them, where that of a",
	".B client",
	"is a tenant's, and those of addresses and networks hold for all inside.",
	"A",
	".B class",
	"is for the tenants that have",
	".B limits",
	"with its name.",
	"For each key the narrowest line that has it counts: of one, of its class, of all.",
	"0 is no limit.",
};

static const char *const manual_peers[] = {
	"A line is another process that stands behind the same address:",
	".PP",
	".RS",
	".nf",
	"1 = host=10.0.0.11",
	"2 = host=10.0.0.12 port=6433",
	".fi",
	".RE",
	".PP",
	"The number is that process's",
	".BR peer_id .",
	"This release reads the section and does not act on it.",
};

static const char *const manual_certificates[] = {
	"A line is the certificate for clients that ask for this host name (SNI), so that",
	"each tenant sees its own:",
	".PP",
	".RS",
	".nf",
	"db.shop.example   = cert_file=/etc/pgusher/shop.crt key_file=/etc/pgusher/shop.key",
	"*.erp.example.com = cert_file=/etc/pgusher/erp.crt key_file=/etc/pgusher/erp.key",
	".fi",
	".RE",
	".PP",
	"The",
	".B *",
	"stands for one label, and a line with the whole name counts before it.",
	"All others see",
	".BR client_tls_cert_file ,",
	"which must be set too.",
	"The section is used when",
	".B client_tls_sslmode",
	"is not disable.",
};

static const char *const manual_tokens[] = {
	"A line is a token for HTTP, by its SHA\\-256, so that nobody can use what stands here:",
	".PP",
	".RS",
	".nf",
	"grafana = sha256:<64 hex digits>",
	"acme    = sha256:<64 hex digits> tenant=acme",
	"deploy  = sha256:<64 hex digits> scope=read,operate",
	".fi",
	".RE",
	".PP",
	".B pgusher \\-\\-new\\-token",
	"prints a new token, once, and its line.",
	"Who has the token sends it as",
	".BI \"Authorization: Bearer \" token\\fR.",
	"The name stands in the log; two lines can't have the same name, or the same token.",
};

static const char *const manual_end[] = {
	".SH AUTH_FILE",
	"Each line is a user's name and password, both in double quotes, in which a",
	"doubled one stands for itself.",
	"Lines that begin with",
	".B ;",
	"or",
	".BR # ,",
	"and what follows the password, are ignored.",
	".PP",
	".RS",
	".nf",
	"\"app\"   \"SCRAM\\-SHA\\-256$4096:<salt>$<StoredKey>:<ServerKey>\"",
	"\"old\"   \"md5<32 hex digits>\"",
	"\"plain\" \"a password\"",
	".fi",
	".RE",
	".PP",
	"The password is what",
	".I pg_authid.rolpassword",
	"of the server holds, or the password itself.",
	"It serves twice: a client is checked against it, and pgusher logs in to the",
	"server with it.",
	"A SCRAM verifier works for the second only when the client has logged in with",
	"SCRAM too, and client and server use the very same verifier; an md5 value, only",
	"when the server asks for md5.",
	".PP",
	"The file holds secrets: only the user that pgusher runs as should be able to",
	"read it.",
	".SH AUTH_HBA_FILE",
	"With",
	".B auth_type = hba",
	"these rules say who may come in and how, in the form of PostgreSQL's pg_hba.conf.",
	"The first rule that fits a connection counts; if none fits, it is refused.",
	".PP",
	".RS",
	".nf",
	"# type    databases    users     address        method          options",
	"local     all          all                      peer            map=staff",
	"hostssl   shop,erp     app       10.0.0.0/8     scram\\-sha\\-256",
	"hostssl   all          all       all            cert            map=certs",
	"host      reports      @analysts samenet        ldap            ldapserver=ldap.example.com ldapbasedn=\"dc=example,dc=com\"",
	"host      all          all       0.0.0.0  0.0.0.0  reject",
	".fi",
	".RE",
	".PP",
	"The type is",
	".B local",
	"(Unix sockets),",
	".BR host ,",
	".B hostssl",
	"(with TLS) or",
	".B hostnossl",
	"(without).",
	"Databases are names,",
	".B all",
	"(but not physical replication),",
	".B sameuser",
	"or",
	".BR replication ;",
	"users are names or",
	".BR all .",
	"Lists have commas, and",
	".BI @ file",
	"is a list in a file, beside this one unless its name is absolute.",
	"A word in double quotes is a name, even if it is a keyword.",
	"An address is",
	".IR address / bits ,",
	"an address and a mask,",
	".BR all ,",
	".B samehost",
	"or",
	".BR samenet .",
	".PP",
	"Methods are",
	".BR reject ,",
	".BR trust ,",
	".B password",
	"(or",
	".BR plain ),",
	".BR md5 ,",
	".BR scram\\-sha\\-256 ,",
	".B cert",
	"(option map=),",
	".B peer",
	"(local only; option map=),",
	".B ldap",
	"(the options of PostgreSQL, beginning with ldap) and",
	".BR pam .",
	"cert needs",
	".B client_tls_ca_file",
	"to be set.",
	"Groups (+name), regular expressions and host names are errors: a rule that is",
	"skipped would open or close a door without a word.",
	".SH AUTH_IDENT_FILE",
	"Maps in the form of pg_ident.conf: who is known as this to the system (peer), or by",
	"the common name of a certificate (cert), may be that database user.",
	"Several lines may have the same map.",
	"The user may be",
	".BR all .",
	"Without map= both names must be the same.",
	".PP",
	".RS",
	".nf",
	"# map     system name          database user",
	"staff     anna                 admin",
	"certs     app.example.com      app",
	".fi",
	".RE",
	".SH SEE ALSO",
	".BR pgusher (1)",
};

static void
print_lines(FILE *out, const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%s\n", lines[i]);
}

#define PRINT_LINES(out, lines) print_lines(out, lines, lengthof(lines))

static const char *
describe_default(const struct key *k)
{
	if (k->def == NULL)
		return "not set";
	return k->def[0] == '\0' ? "empty" : k->def;
}

/* "Value: ... Default: ... Needs a restart." */
static void
print_facts(FILE *out, const struct key *k)
{
	char wanted[300], facts[900];
	bool says_unit = k->type == KEY_TIME || k->type == KEY_MSEC || k->type == KEY_GROWTH ||
			 k->type == KEY_SIZE || k->unit == NULL;

	snprintf(facts, sizeof(facts), "Value: %s%s%s. Default: %s.%s%s%s",
		value_describe(k, wanted, sizeof(wanted)), says_unit ? "" : ", in ",
		says_unit ? "" : k->unit, describe_default(k),
		(k->flags & KEY_RESTART) != 0 ? " A change needs a restart."
					      : " A reload is enough.",
		(k->flags & KEY_LATER) != 0
			? " This release checks the value and does not act on it."
			: "",
		(k->flags & KEY_IDLE) != 0 ? " It has no effect here." : "");
	fputs(".br\n", out);
	print_roff(out, facts);
}

static void
print_key(FILE *out, const struct key *k)
{
	if ((k->flags & KEY_ALIAS) != 0)
		return;
	fprintf(out, ".TP\n.B %s\n", k->name);
	print_roff(out, k->help);
	print_facts(out, k);
}

static void
print_section(FILE *out, const struct key_section *s)
{
	for (size_t i = 0; i < s->ngroups; i++) {
		const struct key_group *g = &s->groups[i];
		if (g->title != NULL)
			fprintf(out, ".SS %s\n", g->title);
		if (g->about != NULL)
			print_roff(out, g->about);
		for (size_t j = 0; j < g->nkeys; j++)
			print_key(out, &g->keys[j]);
	}
}

static void
print_manual(FILE *out)
{
	PRINT_LINES(out, manual_top);
	fputs(".SH SECTION [pgbouncer]\n", out);
	print_section(out, &section_pgbouncer);
	fputs(".SH SECTION [databases]\n", out);
	PRINT_LINES(out, manual_databases);
	print_section(out, &section_databases);
	fputs(".SH SECTION [tenants]\n", out);
	PRINT_LINES(out, manual_tenants);
	fputs(".SH SECTION [hosts]\n", out);
	PRINT_LINES(out, manual_hosts);
	print_section(out, &section_hosts);
	fputs(".SH SECTION [limits]\n", out);
	PRINT_LINES(out, manual_limits);
	print_section(out, &section_limits);
	fputs(".SH SECTION [users]\n", out);
	PRINT_LINES(out, manual_users);
	print_section(out, &section_users);
	fputs(".SH SECTION [peers]\n", out);
	PRINT_LINES(out, manual_peers);
	print_section(out, &section_peers);
	fputs(".SH SECTION [tls_certificates]\n", out);
	PRINT_LINES(out, manual_certificates);
	print_section(out, &section_tls_certificates);
	fputs(".SH SECTION [http_tokens]\n", out);
	PRINT_LINES(out, manual_tokens);
	print_section(out, &section_http_tokens);
	PRINT_LINES(out, manual_end);
}

static const char *const sample_top[] = {
	";; pgusher.ini: every key there is, with its default where a line begins with",
	";; one semicolon.  pgusher(5) says more; \"make reference\" makes this file.",
	";;",
	";; Under the systemd unit set unix_socket_dir = /run/pgusher.",
	"",
	"[databases]",
	";; name = key=value ...",
	";shop = host=10.0.0.7 pool_size=5",
	";erp = host=db1,db2 dbname=erp_live user=app password='it''s secret'",
	"",
	";; all others",
	"* = host=127.0.0.1",
	"",
	"[tenants]",
	";; databases that are made from their names, and those that differ",
	";* = host=pg-{shard}.internal dbname=tenant_{tenant} user=app",
	";acme = host=pg-big.internal pool_size=50",
	"",
	"[hosts]",
	";; servers, and how many connections they get",
	";10.0.0.5:5432 = max_connections=200 admin_reserve=3",
	";* = max_connections=90",
	"",
	"[limits]",
	";; what may be taken at most",
	";tenant = queries=1000 clients=200",
	";tenant:acme = queries=5000",
	"",
	"[users]",
	";reports = pool_mode=session max_user_connections=3",
	"",
	"[peers]",
	";; for a later release",
	";1 = host=10.0.0.11",
	"",
	"[tls_certificates]",
	";; for single host names that clients ask for; others see client_tls_cert_file",
	";db.shop.example = cert_file=/etc/pgusher/shop.crt key_file=/etc/pgusher/shop.key",
	"",
	"[http_tokens]",
	";; from pgusher --new-token",
	";grafana = sha256:<64 hex digits> scope=read",
	"",
	"[pgbouncer]",
};

/* What to set together, at the beginning of a group: to be uncommented. */
static const struct {
	const char *group, *lines;
} sample_examples[] = {
	{ "TLS with clients",
		";; To offer TLS to clients, or with require to insist on it:\n"
		";; client_tls_sslmode = prefer\n"
		";; client_tls_key_file = /etc/pgusher/server.key\n"
		";; client_tls_cert_file = /etc/pgusher/server.crt\n" },
	{ "TLS with servers",
		";; To insist on TLS with servers, and on knowing who they are:\n"
		";; server_tls_sslmode = verify-full\n"
		";; server_tls_ca_file = /etc/pgusher/root.crt\n"
		";; server_require_auth = scram-sha-256\n" },
	{ "HTTP",
		";; To serve the page, metrics and the API on this machine:\n"
		";; http_listen = 127.0.0.1:8432\n" },
};

static void
print_sample_example(FILE *out, const struct key_group *g)
{
	for (size_t i = 0; i < lengthof(sample_examples); i++)
		if (strcmp(sample_examples[i].group, g->title) == 0)
			fprintf(out, "\n%s", sample_examples[i].lines);
}

static const char *
find_sample_value(const struct key *k)
{
	for (size_t i = 0; i < lengthof(sample_settings); i++)
		if (strcmp(sample_settings[i].key, k->name) == 0)
			return sample_settings[i].value;
	return NULL;
}

static void
print_sample_key(FILE *out, const struct key *k)
{
	const char *value = find_sample_value(k);
	const char *def = k->def == NULL ? "" : k->def;

	fputc('\n', out);
	print_wrapped(out, ";; ", k->help);
	if ((k->flags & KEY_RESTART) != 0)
		fputs(";; A change needs a restart.\n", out);
	if ((k->flags & KEY_LATER) != 0)
		fputs(";; This release does not act on it.\n", out);
	if ((k->flags & KEY_IDLE) != 0)
		fputs(";; It has no effect here.\n", out);
	fprintf(out, ";%s =%s%s\n", k->name, *def == '\0' ? "" : " ", def);
	if (value != NULL)
		fprintf(out, "%s = %s\n", k->name, value);
}

static void
print_sample(FILE *out)
{
	const struct key_section *s = &section_pgbouncer;

	PRINT_LINES(out, sample_top);
	for (size_t i = 0; i < s->ngroups; i++) {
		fprintf(out, "\n;;;\n;;; %s\n;;;\n", s->groups[i].title);
		print_sample_example(out, &s->groups[i]);
		for (size_t j = 0; j < s->groups[i].nkeys; j++)
			print_sample_key(out, &s->groups[i].keys[j]);
	}
}

void
config_print_reference(FILE *out, enum reference_format format)
{
	if (format == REFERENCE_MANUAL)
		print_manual(out);
	else
		print_sample(out);
}
