SELECT order_no, customer, status FROM sales_orders WHERE customer ILIKE '%'
AND
'a'='b'/*%' AND status <> 'cancelled' ORDER BY ordered_on DESC LIMIT 50