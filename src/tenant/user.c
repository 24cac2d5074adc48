#include "tenant/user.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct users {
	pthread_mutex_t lock;
	struct user *by_name;
};

struct users *
users_new(void)
{
	struct users *u = memory_zalloc(sizeof(*u));

	pthread_mutex_init(&u->lock, NULL);
	return u;
}

void
users_free(struct users **up)
{
	struct users *u = *up;
	struct user *user, *next;

	if (u == NULL)
		return;
	*up = NULL;
	HASH_ITER(hh, u->by_name, user, next) {
		HASH_DEL(u->by_name, user);
		free(user);
	}
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static struct user *
find(struct users *u, const char *name)
{
	struct user *user;

	HASH_FIND_STR(u->by_name, name, user);
	return user;
}

static struct user *
add(struct users *u, const char *name)
{
	size_t size = strlen(name) + 1;
	struct user *user = memory_zalloc(sizeof(*user) + size);

	memcpy(user->name, name, size);
	HASH_ADD_STR(u->by_name, name, user);
	return user;
}

struct user *
users_get(struct users *u, const char *name)
{
	struct user *user;

	pthread_mutex_lock(&u->lock);
	user = find(u, name);
	if (user == NULL)
		user = add(u, name);
	user->refs++;
	pthread_mutex_unlock(&u->lock);
	return user;
}

struct user *
users_ref(struct users *u, struct user *user)
{
	pthread_mutex_lock(&u->lock);
	user->refs++;
	pthread_mutex_unlock(&u->lock);
	return user;
}

void
users_put(struct users *u, struct user **userp)
{
	struct user *user = *userp;

	if (user == NULL)
		return;
	*userp = NULL;
	pthread_mutex_lock(&u->lock);
	if (--user->refs == 0) {
		HASH_DEL(u->by_name, user);
		free(user);
	}
	pthread_mutex_unlock(&u->lock);
}

void
users_counts(struct users *u, const char *name, int *clients, int *servers)
{
	struct user *user;

	*clients = *servers = 0;
	pthread_mutex_lock(&u->lock);
	user = find(u, name);
	if (user != NULL) {
		*clients = budget_used(&user->clients);
		*servers = budget_used(&user->servers);
	}
	pthread_mutex_unlock(&u->lock);
}

void
users_each(struct users *u, void (*fn)(void *arg, struct user *user), void *arg)
{
	struct user *user, *next;

	pthread_mutex_lock(&u->lock);
	HASH_ITER(hh, u->by_name, user, next)
		fn(arg, user);
	pthread_mutex_unlock(&u->lock);
}
