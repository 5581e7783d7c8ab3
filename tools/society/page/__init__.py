"""The report page: the data of a run (`data`), the page that carries it (`render`), and what draws it in the browser."""
