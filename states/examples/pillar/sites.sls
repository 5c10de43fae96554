# The sites of our web servers, one key for each.
web:
  sites:
    shop:
      title: The shop
      names: [shop.example.org, www.example.org]
      proxies:
        /api: http://127.0.0.1:9000
    blog:
      title: What is new
      names: [blog.example.org]
      port: 8080
    old:
      names: [old.example.org]
      enabled: False
