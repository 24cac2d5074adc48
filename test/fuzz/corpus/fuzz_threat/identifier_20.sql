SELECT order_no, due_on FROM production_orders WHERE status = 'SO-1001' ORDER BY (SELECT
1
FROM
pg_sleep(5))