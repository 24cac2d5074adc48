SELECT order_no, due_on FROM production_orders WHERE status = 'SO-1001' ORDER BY due_on;
DROP
TABLE
operations