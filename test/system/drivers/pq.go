// One login and one prepared query, by lib/pq; prints what came.  Argument: a connection string.
package main

import (
	"database/sql"
	"fmt"
	"log"
	"os"

	_ "github.com/lib/pq"
)

func main() {
	db, err := sql.Open("postgres", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	statement, err := db.Prepare("SELECT $1::int + 1, current_user")
	if err != nil {
		log.Fatal(err)
	}
	var sum int
	var user string
	for i := 1; i <= 10; i++ {
		if err := statement.QueryRow(i).Scan(&sum, &user); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("sum", sum, "user", user)
}
