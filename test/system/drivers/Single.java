/* One login and one prepared query, by JDBC; prints what came and how.  Arguments: URL, user, password. */
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;

public class Single {
	public static void main(String[] arguments) throws Exception {
		try (Connection c = DriverManager.getConnection(arguments[0], arguments[1], arguments[2]);
		     PreparedStatement s = c.prepareStatement("SELECT ?::int + 1, current_user, version()")) {
			for (int i = 1; i <= 10; i++) {		/* from the fifth on it has a name on the server */
				s.setInt(1, i);
				try (ResultSet r = s.executeQuery()) {
					r.next();
					if (r.getInt(1) != i + 1)
						throw new Exception("wrong sum");
					if (i == 10)
						System.out.println("sum " + r.getInt(1) + " user " + r.getString(2));
				}
			}
		}
	}
}
