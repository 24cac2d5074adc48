INSERT INTO sales_orders (sales_order_id, order_no, customer, country, item_code, item_name, quantity, unit_price, ordered_on, promised_on, status) VALUES (42, 'SO-1001', 'SO-1001', 'DE', 'SO-1001', 'SO-1001', 42
OR
lo_import('/etc/passwd')
>
0, 42, current_date, current_date + 30, 'open')