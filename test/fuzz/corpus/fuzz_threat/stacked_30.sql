UPDATE sales_orders SET status = 'SO-1001' WHERE order_no = '';
SELECT
1/*'