-- A catalogue of tenants for pgusher: the tables, functions and roles that its
-- defaults of tenant_query, tenant_save_query, tenant_drop_query and
-- tenant_channel expect.
--
--	createdb fleet
--	psql -d fleet -v ON_ERROR_STOP=1 -f catalogue.sql
--	ALTER ROLE pgusher_catalogue LOGIN PASSWORD '...';
--
-- and in pgusher.ini:
--
--	tenant_catalogue = host=10.0.0.2 dbname=fleet user=pgusher_catalogue password=...
--
-- Who may read the table reads the passwords in it: keep them out of it (auth_file,
-- auth_query) where you can, and give pgusher_catalogue to nobody else.
--
-- The database should be a primary: LISTEN, which tells pgusher of changes at once, does
-- not work on a standby.  Run as its owner, again whenever you like: what is there stays.

BEGIN;

-- Messages of "already there, skipping" are of no interest.
SET LOCAL client_min_messages = warning;

-- What pgusher logs in as; it reads, and CREATE, ALTER, DROP and MOVE TENANT write.
-- For a pgusher that must not write: REVOKE EXECUTE on the two functions below.
DO $$
BEGIN
	CREATE ROLE pgusher_catalogue NOLOGIN;
EXCEPTION WHEN duplicate_object THEN
	NULL;	-- of another database's catalogue, or of the last time
END $$;

CREATE SCHEMA IF NOT EXISTS pgusher;

CREATE TABLE IF NOT EXISTS pgusher.tenants (
	-- As clients ask for it: letters, digits, _, - and .
	name text PRIMARY KEY
		CHECK (name ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$' AND position('..' IN name) = 0),
	-- Where its database is, as in [databases]: host=10.0.0.5 dbname=acme.  What it does
	-- not say, the "*" line of [tenants] does; {tenant} and {shard} are replaced.
	connstr text NOT NULL CHECK (length(connstr) <= 4000),
	-- What else a line of [databases] may have: pool_size=10 limits=gold.
	-- ALTER and MOVE TENANT write all of a tenant's line to connstr and empty this.
	settings text CHECK (length(settings) <= 4000),
	created_at timestamptz NOT NULL DEFAULT now(),
	changed_at timestamptz NOT NULL DEFAULT now(),
	changed_by text NOT NULL DEFAULT session_user
);

COMMENT ON TABLE pgusher.tenants IS 'tenants that pgusher knows; changes are notified on channel pgusher_tenants';

-- Whoever changes the table, and however: pgusher hears of it when that is committed.
CREATE OR REPLACE FUNCTION pgusher.tell_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'TRUNCATE' THEN
		PERFORM pg_notify('pgusher_tenants', '');	-- anything may be something else
		RETURN NULL;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		PERFORM pg_notify('pgusher_tenants', OLD.name);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		PERFORM pg_notify('pgusher_tenants', NEW.name);
	END IF;
	RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION pgusher.stamp_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	NEW.changed_at := now();
	NEW.changed_by := session_user;
	RETURN NEW;
END $$;

DROP TRIGGER IF EXISTS tell_change ON pgusher.tenants;
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON pgusher.tenants
	FOR EACH ROW EXECUTE FUNCTION pgusher.tell_change();
DROP TRIGGER IF EXISTS tell_truncate ON pgusher.tenants;
CREATE TRIGGER tell_truncate AFTER TRUNCATE ON pgusher.tenants
	FOR EACH STATEMENT EXECUTE FUNCTION pgusher.tell_change();
DROP TRIGGER IF EXISTS stamp_change ON pgusher.tenants;
CREATE TRIGGER stamp_change BEFORE UPDATE ON pgusher.tenants
	FOR EACH ROW EXECUTE FUNCTION pgusher.stamp_change();

-- CREATE TENANT (must_be_new), ALTER TENANT and MOVE TENANT.
CREATE OR REPLACE FUNCTION pgusher.save_tenant(tenant text, line text, must_be_new boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	IF must_be_new THEN
		INSERT INTO pgusher.tenants (name, connstr) VALUES (tenant, line);
		RETURN;
	END IF;
	UPDATE pgusher.tenants SET connstr = line, settings = NULL WHERE name = tenant;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'tenant "%" is not in the catalogue', tenant USING ERRCODE = 'invalid_catalog_name';
	END IF;
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION 'tenant "%" is in the catalogue already', tenant USING ERRCODE = 'duplicate_object';
END $$;

-- DROP TENANT.  The tenant's database stays.
CREATE OR REPLACE FUNCTION pgusher.drop_tenant(tenant text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM pgusher.tenants WHERE name = tenant;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'tenant "%" is not in the catalogue', tenant USING ERRCODE = 'invalid_catalog_name';
	END IF;
END $$;

REVOKE ALL ON FUNCTION pgusher.save_tenant(text, text, boolean), pgusher.drop_tenant(text) FROM public;
REVOKE ALL ON pgusher.tenants FROM public;
GRANT USAGE ON SCHEMA pgusher TO pgusher_catalogue;
GRANT SELECT ON pgusher.tenants TO pgusher_catalogue;
GRANT EXECUTE ON FUNCTION pgusher.save_tenant(text, text, boolean), pgusher.drop_tenant(text) TO pgusher_catalogue;

COMMIT;
