"""Fetch data sets from web servers and hubs."""
